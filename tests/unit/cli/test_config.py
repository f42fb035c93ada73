"""`tally config`: every setting with its place, and what would keep the service from starting."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.capture import GatewaySettings
from tallystick.cli.app import run
from tallystick.cli.checks.rights import too_wide
from tallystick.web import Settings
from tests.certificates import certificate
from tests.unit.cli.running import Command, keep_passphrase, serving

SECRET = "sk-this-must-not-be-shown"  # noqa: S105 - not one


@pytest.fixture
def port() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


def write(command: Command, text: str) -> Path:
    command.home.mkdir(exist_ok=True)
    path = command.home / "tallystick.toml"
    path.write_text(text)
    return path


def found(command: Command, *arguments: object, code: int = 1) -> dict[str, list[dict[str, Any]]]:
    """Return findings by name, those that are not ok."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    free = [] if "--port" in arguments else ["--port", "0"]
    for one in command.json("config", "check", *arguments, *free, code=code)["checks"]:
        if one["state"] != "ok":
            by_name.setdefault(one["name"], []).append(one)
    return by_name


def test_every_setting_of_service_and_gateway_is_shown(made: Command) -> None:
    shown = made.json("config", "show")["settings"]

    gateway = {f"gateway.{name}" for name in GatewaySettings.__dataclass_fields__} | {
        "home", "passphrase_file"}  # fmt: skip
    shared = {f"gateway.{name}" for name in (*Settings.__struct_fields__, "environ")}
    assert shown.keys() == set(Settings.__struct_fields__) | gateway - shared


def test_each_setting_is_shown_with_its_place(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(made, 'port = 1\nhead = "elsewhere"\n')
    monkeypatch.setenv("TALLYSTICK_DRAIN_SECONDS", "2")

    shown = made.json("config", "show", "--fail-open")["settings"]

    assert shown["port"] == {"value": 1, "from": f"{file}, line 1"}
    assert shown["head"] == {"value": str(made.home / "elsewhere"), "from": f"{file}, line 2"}
    place = "environment, TALLYSTICK_DRAIN_SECONDS"
    assert shown["drain_seconds"] == {"value": 2.0, "from": place}
    assert shown["fail_open"] == {"value": True, "from": "--fail-open"}
    assert shown["host"] == {"value": "127.0.0.1", "from": "default"}
    assert shown["home"] == {"value": str(made.home), "from": "--home"}
    assert "port                     1 " in made("config", "show")


def test_secrets_are_shown_as_set_or_not_set(made: Command) -> None:
    before = made("config", "show")
    write(made, f'upstream_key = "{SECRET}"\nupstream = "http://ada:{SECRET}@127.0.0.1/v1"\n')

    after = made("config", "show")

    assert "upstream_key             not set" in before
    assert "upstream_key             set " in after
    assert "http://…@127.0.0.1/v1" in after
    assert SECRET not in after + made("config", "check", "--port", 0, code=1) + made.words


def test_further_upstreams_and_routes_are_shown_by_what_they_are_about(made: Command) -> None:
    write(
        made,
        f'[[upstreams]]\nname = "a"\nurl = "http://127.0.0.1:9/v1"\nkey_variable = "{SECRET}"\n'
        '[[routes]]\nmodel = "m*"\nto = ["a/x", "a"]\n',
    )

    shown = made.json("config", "show")["settings"]
    [told] = found(made)["upstream"]

    assert shown["upstreams"]["value"] == ["a http://127.0.0.1:9/v1"]
    assert shown["routes"]["value"] == ["m* → a/x, a"]
    assert "key_variable is something else than a name" in told["seen"]
    assert SECRET not in str(shown) + str(told)


def test_wrong_settings_are_shown_as_far_as_they_go_and_end_with_2(made: Command) -> None:
    write(made, "prot = 1\nworkers = 1\n")

    assert "workers                  1" in made("config", "show", code=2)
    assert "did you mean 'port'?" in made.words


def test_a_fresh_ledger_passes(made: Command) -> None:
    assert found(made, code=0) == {}
    assert ", 0 problems" in made.words


def test_all_that_is_wrong_in_the_file_is_told_at_once(made: Command) -> None:
    file = write(made, 'prot = 1\nport = "x"\nworkers = 1000\n')

    faults = found(made)["settings"]

    assert [fault["seen"].partition(": ")[0] for fault in faults] == [
        f"{file}, line {line}" for line in (1, 2, 3)
    ]
    assert faults[0]["mend"] == "did you mean 'port'?"


def test_a_half_written_file_is_told_with_its_place(made: Command) -> None:
    write(made, "port = 1\nhost =")

    assert "line 2, column 7" in found(made)["settings"][0]["seen"]


def test_another_file_can_be_checked_and_one_that_is_missing_is_usage(
    made: Command, tmp_path: Path
) -> None:
    other = tmp_path / "new.toml"
    other.write_text("prot = 1\n")

    assert "no setting 'prot'" in found(made, other)["settings"][0]["seen"]
    made("config", "check", tmp_path / "nowhere.toml", code=2)


def tls(command: Command, files: tuple[Path, Path]) -> Path:
    return write(command, f'tls_certificate = "{files[0]}"\ntls_key = "{files[1]}"\n')


@pytest.mark.parametrize(
    ("times", "state", "words"),
    [
        ({}, None, ""),
        ({"ends_days": 31}, None, ""),
        ({"ends_days": 29.5}, "warning", "in 29 days"),
        ({"ends_days": -0.5}, "problem", "expired on"),
        ({"begins_days": 1}, "problem", "is valid from"),
    ],
)
def test_a_certificate_is_looked_at_for_its_time(
    made: Command, tmp_path: Path, times: dict[str, float], state: str | None, words: str
) -> None:
    begins, ends = times.get("begins_days", -1), times.get("ends_days", 90)
    tls(made, certificate(tmp_path / "tls", begins_days=begins, ends_days=ends))

    seen = found(made, code=1 if state == "problem" else 0)

    assert [one["state"] for one in seen.get("tls_certificate", [])] == ([state] if state else [])
    assert words in str(seen)


def test_a_key_that_is_not_the_certificates_or_not_a_key_is_told(
    made: Command, tmp_path: Path
) -> None:
    one, other = certificate(tmp_path / "a"), certificate(tmp_path / "b")
    tls(made, (one[0], other[1]))
    assert "of another certificate" in found(made)["tls_key"][0]["seen"]

    tls(made, certificate(tmp_path / "c", passphrase=b"secret"))
    assert "is encrypted" in found(made)["tls_key"][0]["seen"]

    other[1].write_text("-----BEGIN PRIVATE KEY-----\nhalf")
    tls(made, (one[0], other[1]))
    assert "no private key in PEM" in found(made)["tls_key"][0]["seen"]

    one[0].write_text("half")
    assert "cannot be read" in found(made)["tls_certificate"][0]["seen"]


def test_a_key_that_others_may_read_is_told_with_what_mends_it(
    made: Command, tmp_path: Path
) -> None:
    files = certificate(tmp_path / "tls")
    files[1].chmod(0o644)
    tls(made, files)

    [told] = found(made)["tls_key"]

    assert (told["expected"], told["mend"]) == ("0600", f"chmod 600 {files[1]}")


def test_missing_certificate_files_and_half_a_pair_are_told(made: Command, tmp_path: Path) -> None:
    tls(made, (tmp_path / "c.pem", tmp_path / "k.pem"))
    seen = found(made)
    assert "does not exist" in seen["tls_certificate"][0]["seen"]
    assert "does not exist" in seen["tls_key"][0]["seen"]

    write(made, f'tls_key = "{tmp_path}/k.pem"\n')
    assert "one of tls_certificate and tls_key" in found(made)["tls"][0]["seen"]


def test_an_address_that_others_reach_demands_encryption_and_a_key(
    made: Command, tmp_path: Path
) -> None:
    file = tls(made, certificate(tmp_path / "tls"))
    open_host = ("--host", "0.0.0.0")  # noqa: S104 - nothing listens

    assert [one["expected"] for one in found(made, *open_host)["exposure"]] == [
        "at least one valid key"
    ]
    file.unlink()
    assert len(found(made, *open_host)["exposure"]) == 2
    tls(made, certificate(tmp_path / "tls"))
    made("keys", "api", "create", "clinic")
    assert found(made, *open_host, code=0) == {}


def test_a_port_that_another_program_has_is_told(made: Command, port: int) -> None:
    [told] = found(made, "--port", port)["port"]

    assert f"another program listens on 127.0.0.1 port {port}" in told["seen"]


def test_an_address_that_is_not_this_machines_is_told(made: Command) -> None:
    assert "cannot listen on 192.0.2.1" in found(made, "--host", "192.0.2.1")["port"][0]["seen"]


def test_the_port_of_our_own_service_is_ours(made: Command) -> None:
    keep_passphrase(made)
    with serving(made.home, "up", "--port", "0", "--workers", "0") as where:
        port = where["url"].rpartition(":")[2]
        checks = made.json("config", "check", "--port", port)["checks"]

    [told] = [one for one in checks if one["name"] == "port"]
    assert "is this ledger's own service, process " in told["seen"]


def test_key_files_that_others_may_read_are_told(made: Command) -> None:
    made.home.joinpath("keys", "service.key").chmod(0o640)

    [told] = found(made)["service.key"]

    assert told["mend"].startswith("chmod 600 ")


@pytest.mark.parametrize(
    ("mode", "owner", "user", "wide"),
    [
        (0o600, 1000, 1000, False),
        (0o400, 1000, 1000, False),
        (0o640, 1000, 1000, True),
        (0o604, 1000, 1000, True),
        (0o640, 0, 0, True),
        (0o440, 0, 1000, False),
        (0o460, 0, 1000, True),
        (0o444, 0, 1000, True),
    ],
)
def test_a_group_may_read_only_what_root_hands_to_another_user(
    mode: int, owner: int, user: int, wide: bool
) -> None:
    assert too_wide(mode, owner, user) is wide


def test_a_folder_that_is_a_file_is_told(made: Command, tmp_path: Path) -> None:
    (tmp_path / "head").touch()
    write(made, f'head = "{tmp_path}/head"\n')

    assert "is no folder" in found(made)["head"][0]["seen"]


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ('upstream = "ftp://a.example/v1"', "upstream", "must be http"),
        ('upstream = "http://a:b@c.example/v1"', "upstream", "must not hold credentials"),
        ('upstream_key = "x"', "upstream", "upstream is not"),
        ('public_url = "log.example"', "public_url", "log.example"),
    ],
)
def test_addresses_that_cannot_be_used_are_told(
    made: Command, text: str, name: str, words: str
) -> None:
    write(made, text + "\n")

    [told] = found(made, code=0 if name == "upstream" and "upstream_key" in text else 1)[name]

    assert words in told["seen"]


def test_words_for_people_name_what_was_expected_and_what_mends_it(made: Command) -> None:
    made.home.joinpath("keys", "service.key").chmod(0o644)

    lines = made("config", "check", "--port", 0, code=1).splitlines()

    at = next(n for n, line in enumerate(lines) if line.startswith("problem"))
    assert [line.strip().partition(" ")[0] for line in lines[at + 1 : at + 3]] == ["expected", "→"]


def test_settings_can_be_checked_before_there_is_a_ledger(bare: Command) -> None:
    checks = bare.json("config", "check", "--port", 0)["checks"]

    assert all(one["state"] == "ok" for one in checks)
    assert not bare.home.exists()


def test_flags_of_the_service_and_of_config_are_the_same(made: Command) -> None:
    assert run(["config", "show", "--no-such-flag"]) == 2
    assert json.loads(made("config", "show", "--workers", 3, "--json"))
