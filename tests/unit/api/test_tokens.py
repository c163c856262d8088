"""Tokens: kept as hashes, in a file of the owner's own, read again when it changes."""

import json
import stat
from pathlib import Path

import pytest

from gateway.api.tokens import TOKENS_FILE, Identity, Role, TokenFile, create_token
from gateway.errors import ConfigurationError, RequestRefused

CREATED = "2027-01-15T08:00:00Z"


def test_a_token_is_known_and_never_kept(tmp_path: Path) -> None:
    token = create_token(tmp_path, "olga", Role.OPERATOR, created=CREATED)
    file = tmp_path / TOKENS_FILE
    assert TokenFile(file).check(token) == Identity("olga", Role.OPERATOR)
    assert token not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [TOKENS_FILE]


@pytest.mark.parametrize("bearer", ["", "mfg_", "żółty", "x" * 100_000, "\udcff"])
def test_another_token_is_unknown(tmp_path: Path, bearer: str) -> None:
    create_token(tmp_path, "olga", Role.OPERATOR, created=CREATED)
    assert TokenFile(tmp_path / TOKENS_FILE).check(bearer) is None


def test_without_a_file_nobody_is_known(tmp_path: Path) -> None:
    assert TokenFile(tmp_path / TOKENS_FILE).check("anything") is None


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / TOKENS_FILE)
    first = create_token(tmp_path, "victor", Role.VIEWER, created=CREATED)
    assert tokens.check(first) == Identity("victor", Role.VIEWER)
    second = create_token(tmp_path, "olga", Role.OPERATOR, created=CREATED)
    assert tokens.check(first) == Identity("victor", Role.VIEWER)
    assert tokens.check(second) == Identity("olga", Role.OPERATOR)
    (tmp_path / TOKENS_FILE).unlink()
    assert tokens.check(second) is None


def test_a_name_is_given_once_and_may_be_replaced(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / TOKENS_FILE)
    old = create_token(tmp_path, "olga", Role.OPERATOR, created=CREATED)
    with pytest.raises(RequestRefused, match="olga"):
        create_token(tmp_path, "olga", Role.OPERATOR, created=CREATED)
    new = create_token(tmp_path, "olga", Role.VIEWER, created=CREATED, replace=True)
    assert tokens.check(old) is None
    assert tokens.check(new) == Identity("olga", Role.VIEWER)


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "{}", '{"tokens": 3}', '{"tokens": [{"name": "a"}]}', "\ufeff{}",
        json.dumps({"tokens": [{"name": "a", "role": "king", "sha256": "0" * 64, "created": ""}]}),
        json.dumps({"tokens": [{"name": "a", "role": "viewer", "sha256": "0", "created": ""}]}),
    ],
)  # fmt: skip
def test_a_damaged_file_lets_nobody_in(tmp_path: Path, content: str) -> None:
    file = tmp_path / TOKENS_FILE
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"tokens\.json"):
        TokenFile(file).check("anything")
