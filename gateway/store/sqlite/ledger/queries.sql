-- name: insert_push
INSERT INTO push (requested_by, idempotency_key, requested_at, site, equipment, recipe, master_digest, rendered_digest, control_recipe)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: push_by_key
SELECT id FROM push WHERE requested_by = ? AND idempotency_key = ?

-- name: push_by_id
SELECT p.id, p.control_recipe, p.requested_by, p.requested_at, p.idempotency_key,
       (SELECT s.state FROM push_step s WHERE s.push = p.id ORDER BY s.number DESC LIMIT 1),
       e.outcome, e.reason, e.time
FROM push p LEFT JOIN push_end e ON e.push = p.id
WHERE p.id = ?

-- name: pushes
SELECT p.id, p.control_recipe, p.requested_by, p.requested_at, p.idempotency_key,
       (SELECT s.state FROM push_step s WHERE s.push = p.id ORDER BY s.number DESC LIMIT 1),
       e.outcome, e.reason, e.time
FROM push p LEFT JOIN push_end e ON e.push = p.id
WHERE p.equipment IN (SELECT value FROM json_each(?))
ORDER BY p.id DESC LIMIT ?

-- name: pushed_equipment
SELECT DISTINCT equipment FROM push

-- name: open_pushes
SELECT p.id, p.control_recipe, p.requested_by, p.requested_at, p.idempotency_key,
       (SELECT s.state FROM push_step s WHERE s.push = p.id ORDER BY s.number DESC LIMIT 1),
       NULL, NULL, NULL
FROM push p
WHERE NOT EXISTS (SELECT 1 FROM push_end e WHERE e.push = p.id)
ORDER BY p.id

-- name: steps
SELECT push, number, time, epoch, state, tx_id, detail, vals FROM push_step WHERE push = ? ORDER BY number

-- name: insert_step
INSERT INTO push_step (push, number, time, epoch, state, tx_id, detail, vals)
SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7 FROM push_step WHERE push = ?1
RETURNING number

-- name: take_lease
INSERT INTO lease (equipment, push, epoch) VALUES (?1, ?2, 1)
ON CONFLICT (equipment) DO UPDATE SET push = ?2, epoch = epoch + 1 WHERE push IS NULL OR push = ?2
RETURNING epoch

-- name: holds_lease
SELECT 1 FROM lease WHERE equipment = ? AND push = ? AND epoch = ?

-- name: raise_last_tx
UPDATE lease SET last_tx = max(last_tx, ?) WHERE equipment = ?

-- name: release_lease
UPDATE lease SET push = NULL WHERE equipment = ? AND push = ?

-- name: insert_end
INSERT INTO push_end (push, time, outcome, reason) VALUES (?, ?, ?, ?)

-- name: ended
SELECT 1 FROM push_end WHERE push = ?

-- name: last_tx
SELECT last_tx FROM lease WHERE equipment = ?

-- name: insert_quarantine
INSERT OR IGNORE INTO quarantine (equipment, push, since, reason) VALUES (?, ?, ?, ?)

-- name: quarantines
SELECT equipment, push, since, reason FROM quarantine WHERE released_at IS NULL ORDER BY id

-- name: release_quarantine
UPDATE quarantine SET released_at = ?, released_by = ?, release_note = ? WHERE equipment = ? AND released_at IS NULL

-- name: outcomes
SELECT p.site, e.outcome, count(*) FROM push_end e JOIN push p ON p.id = e.push GROUP BY p.site, e.outcome
