"""Where each setting comes from, and everything that is wrong with them at once."""

from pathlib import Path

import pytest

from tallystick.errors import InputError
from tallystick.web.sources import DEFAULT, FILE_BYTES_MAX, LINES_MAX, trace

SECRET = "sk-this-must-not-be-shown"  # noqa: S105 - not one


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tallystick.toml"


def test_each_value_names_its_place(file: Path) -> None:
    file.write_text("# settings\nport = 1\n\n'workers' = 1\n\"entries_max\" = 5\n")
    environ = {"TALLYSTICK_HOST": "::1"}

    values = trace(file, environ, {"workers": 2}).values

    assert values["port"].place == f"{file}, line 2"
    assert values["entries_max"].place == f"{file}, line 5"
    assert values["host"].place == "environment, TALLYSTICK_HOST"
    assert values["workers"].place == "--workers"
    assert values["head"].place == DEFAULT


def test_a_key_inside_a_longer_text_is_not_its_line(file: Path) -> None:
    file.write_text('public_url = """https://a.example/\\\nport = 7\n"""\nport = 8\n')

    assert trace(file).values["port"].place.endswith("line 4")


def test_all_faults_are_told_not_only_the_first(file: Path) -> None:
    file.write_text("prot = 1\nport = 70000\n[server]\n")

    sources = trace(file, {"TALLYSTICK_WORKERS": "many"})

    assert [str(fault.error).partition(": ")[0] for fault in sources.faults] == [
        f"{file}, line 1",
        f"{file}, line 2",
        f"{file}, line 3",
        "environment, TALLYSTICK_WORKERS",
    ]
    with pytest.raises(InputError, match="line 1"):
        sources.settings()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("port =", "line 1, column 7"),
        ("port = 1\nhost = \n", "line 2, column 8"),
        ('port = 1\nhost = "127.0.', "line 2, column 15"),
        ('public_url = """\nhalf', "line 2, column 5"),
        ("port = 1\nport = 2\n", "line 2, column 9"),
    ],
)
def test_a_half_written_file_is_told_with_line_and_column(
    file: Path, text: str, place: str
) -> None:
    file.write_text(text)

    [fault] = trace(file).faults

    assert f"{place}: not a readable TOML file" in str(fault.error)


def test_bytes_that_are_no_text_and_a_folder_are_no_settings(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"port = \xff\n")

    assert "not a readable TOML file" in str(trace(file).faults[0].error)
    assert "not a readable TOML file" in str(trace(tmp_path).faults[0].error)


def test_a_file_is_read_up_to_its_limit(file: Path) -> None:
    comment = "# " + "x" * (FILE_BYTES_MAX - len("port = 1\n# ") - 1) + "\n"
    file.write_text("port = 1\n" + comment)
    whole = trace(file)
    file.write_text("port = 11\n" + comment)
    beyond = trace(file)

    assert (whole.faults, whole.values["port"].value) == ([], 1)
    assert f"more than {FILE_BYTES_MAX} bytes" in str(beyond.faults[0].error)


def test_lines_are_looked_for_up_to_a_limit(file: Path) -> None:
    file.write_text("".join(f"name{n} = 1\n" for n in range(LINES_MAX + 1)))

    faults = trace(file).faults

    assert faults[-2].place.endswith(f", line {LINES_MAX}")
    assert faults[-1].place == str(file)


def test_a_secret_that_is_wrong_is_not_shown(file: Path) -> None:
    table = f'[[upstreams]]\nname = "a"\nurl = "http://a"\nkey = "{SECRET}"\n'
    file.write_text(f'upstream_key = ["{SECRET}"]\n{table}')

    [fault, other] = trace(file).faults

    assert "upstream_key is a value: Expected" in str(fault.error)
    assert f"{file}, line 2: upstreams, table 1: there is no field 'key'" in str(other.error)
    assert SECRET not in repr(fault) + repr(other)


def test_tables_name_the_line_of_the_first(file: Path) -> None:
    file.write_text('port = 1\n\n[[upstreams]]\nname = "a"\nurl = "http://127.0.0.1:9/v1"\n')

    values = trace(file).values

    assert values["upstreams"].place == f"{file}, line 3"
    assert values["upstreams"].value[0].name == "a"
