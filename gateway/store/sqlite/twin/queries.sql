-- name: endpoints
SELECT number, key, heard, stored FROM endpoint ORDER BY number

-- name: add_endpoint
INSERT INTO endpoint (key) VALUES (?) RETURNING number

-- name: tags
SELECT tag.number, path, endpoint.key, node, equipment_class, type, unit, stepped, masked, endpoint.number
FROM tag JOIN endpoint ON endpoint.number = tag.endpoint ORDER BY tag.number

-- name: put_tag
INSERT INTO tag (number, path, endpoint, node, equipment_class, type, unit, stepped, masked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (number) DO UPDATE SET endpoint = excluded.endpoint, node = excluded.node, equipment_class = excluded.equipment_class,
    type = excluded.type, unit = excluded.unit, stepped = excluded.stepped, masked = excluded.masked

-- name: add_moved
INSERT INTO moved (tag, endpoint, rows) VALUES (?, ?, ?) ON CONFLICT (tag, endpoint) DO UPDATE SET rows = rows + excluded.rows

-- name: moved
SELECT tag, endpoint, rows FROM moved

-- name: append_log
INSERT INTO log (type, rows, min_time, max_time, received, crc, data) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: add_account
UPDATE endpoint SET stored = stored + ?, heard = CASE WHEN ?2 IS NULL THEN heard ELSE max(coalesce(heard, ?2), ?2) END
WHERE number = ?3

-- name: add_rejected
INSERT INTO rejected (endpoint, reason, count) VALUES (?, ?, ?) ON CONFLICT (endpoint, reason) DO UPDATE SET count = count + excluded.count

-- name: rejected
SELECT endpoint, reason, count FROM rejected

-- name: add_gap
INSERT INTO gap (endpoint, tag, start, "end", reason, detail) VALUES (?, ?, ?, ?, ?, ?)

-- name: close_endpoint_gaps
UPDATE gap SET "end" = max(start, ?) WHERE endpoint = ? AND tag IS NULL AND "end" IS NULL

-- name: close_tag_gaps
UPDATE gap SET "end" = max(start, ?) WHERE endpoint = ? AND tag = ? AND "end" IS NULL

-- name: close_moved_gaps
UPDATE gap SET "end" = max(start, coalesce((SELECT heard FROM endpoint WHERE number = gap.endpoint), start))
WHERE tag = ? AND "end" IS NULL

-- name: open_gaps
SELECT endpoint, tag, start, "end", reason, detail FROM gap WHERE "end" IS NULL ORDER BY id

-- name: gaps_between
SELECT endpoint, tag, start, "end", reason, detail FROM gap WHERE start <= ? AND ("end" IS NULL OR "end" >= ?) ORDER BY start, id

-- name: add_quarantine
INSERT INTO quarantine (endpoint, tag, complaint, source_time, server_time, received_time, status, encoded) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: trim_quarantine
DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - 10000

-- name: current
SELECT tag, encoded, status, source_time, server_time, received_time, flags, sealed FROM current ORDER BY tag

-- name: put_current
INSERT INTO current (tag, value, encoded, status, source_time, server_time, received_time, flags, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tag) DO UPDATE SET value = excluded.value, encoded = excluded.encoded, status = excluded.status,
    source_time = excluded.source_time, server_time = excluded.server_time, received_time = excluded.received_time,
    flags = excluded.flags, sealed = sealed + excluded.sealed

-- name: whole_log
SELECT id, type, rows, crc, data FROM log ORDER BY id

-- name: chunks
SELECT 0, id, 0, 4294967295, min_time, max_time, id FROM log WHERE min_time <= :end AND max_time >= :start
UNION ALL
SELECT segment.id, block.id, block.first_tag, block.last_tag, block.min_time, block.max_time, segment.first_log
FROM segment JOIN block ON block.segment = segment.id
WHERE segment.min_time <= :end AND segment.max_time >= :start AND block.last_tag >= :low AND block.first_tag <= :high
    AND block.min_time <= :end AND block.max_time >= :start

-- name: log_data
SELECT id, type, rows, crc, data FROM log WHERE id IN (SELECT value FROM json_each(?))

-- name: block_data
SELECT id, type, rows, crc, data FROM block WHERE id IN (SELECT value FROM json_each(?))

-- name: segment_data
SELECT id, crc, received FROM segment WHERE id IN (SELECT value FROM json_each(?))

-- name: figures
SELECT (SELECT count(*) FROM log), (SELECT sum(rows) FROM log), (SELECT count(*) FROM segment), (SELECT sum(rows) FROM segment),
    (SELECT count(*) FROM block), (SELECT count(*) FROM gap WHERE "end" IS NULL), (SELECT count(*) FROM quarantine)

-- name: log_sizes
SELECT id, rows, length(data) FROM log ORDER BY id

-- name: log_until
SELECT id, type, rows, crc, data FROM log WHERE id <= ? ORDER BY id

-- name: log_extent
SELECT sum(rows), min(received) FROM log

-- name: drop_log
DELETE FROM log WHERE id <= ?

-- name: add_segment
INSERT INTO segment (level, first_log, last_log, rows, min_time, max_time, crc, received) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: add_block
INSERT INTO block (segment, type, rows, first_tag, last_tag, min_time, max_time, crc, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: segments_before
SELECT id FROM segment WHERE max_time < ? ORDER BY max_time

-- name: blocks_of_segment
SELECT id, rows, crc, data FROM block WHERE segment = ?

-- name: add_retired
UPDATE current SET retired = retired + ? WHERE tag = ?

-- name: drop_segment
DELETE FROM segment WHERE id = ?

-- name: drop_gaps
DELETE FROM gap WHERE "end" < ?

-- name: whole_segments
SELECT id, rows, min_time, max_time, crc, received FROM segment ORDER BY id

-- name: whole_blocks
SELECT id, type, rows, first_tag, last_tag, min_time, max_time, crc, data FROM block WHERE segment = ? ORDER BY id

-- name: tallies
SELECT tag, source_time, sealed, retired FROM current
