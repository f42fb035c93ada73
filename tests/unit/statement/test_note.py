"""Signed notes and checkpoints: one meaning per text, one text per meaning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import EncodingError, InputError, LimitError, SignatureError
from tallystick.identity import SoftwareSigner
from tallystick.statement import (
    Checkpoint,
    KeyKind,
    Note,
    VerifierKey,
    cosign_note,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    sign_note,
    verify_note,
)

ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
LOG = SoftwareSigner(KeyKind.ED25519, b"L" * 32)
WITNESS = SoftwareSigner(KeyKind.ED25519, b"W" * 32)
LOG_KEY = VerifierKey("log.example/a", 1, LOG.public.raw)
WITNESS_KEY = VerifierKey("witness.example", 4, WITNESS.public.raw)

# The example of C2SP signed-note, section "Verifier keys".
EXAMPLE_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONnc"
    "AlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def checkpoint_text() -> str:
    return f"log.example/a\n256\n{ROOT}\n"


def signed_note() -> Note:
    text = checkpoint_text()
    return Note(
        text,
        (
            sign_note(text, LOG_KEY, LOG.sign),
            cosign_note(text, WITNESS_KEY, 1_790_000_000, WITNESS.sign),
        ),
    )


def test_the_example_of_the_specification_verifies() -> None:
    [signer] = verify_note(parse_note(EXAMPLE_NOTE.encode()), [parse_vkey(EXAMPLE_VKEY)])

    assert signer.key.name == "example.com/foo"
    assert signer.key.encode() == EXAMPLE_VKEY


def test_a_note_is_written_as_it_was_read() -> None:
    note = signed_note()

    assert parse_note(note.encode()) == note


def test_signature_and_cosignature_are_verified_with_the_time_of_the_witness() -> None:
    signers = verify_note(signed_note(), [LOG_KEY, WITNESS_KEY])

    assert [(s.key.name, s.time) for s in signers] == [
        ("log.example/a", None),
        ("witness.example", 1_790_000_000),
    ]


def test_lines_by_unknown_keys_are_ignored_but_one_known_key_must_sign() -> None:
    stranger = VerifierKey("log.example/a", 1, b"k" * 32)

    assert len(verify_note(signed_note(), [LOG_KEY])) == 1
    with pytest.raises(SignatureError, match="not signed by any key that is trusted"):
        verify_note(signed_note(), [stranger])


def test_a_false_line_by_a_known_key_spoils_the_note() -> None:
    note = signed_note()
    other = Note(note.text.replace("256", "257"), note.signatures)

    with pytest.raises(SignatureError):
        verify_note(other, [LOG_KEY])
    with pytest.raises(SignatureError):
        verify_note(other, [WITNESS_KEY])


def test_a_type_that_cannot_be_checked_is_an_error_not_a_pass() -> None:
    odd = VerifierKey("w", 6, b"x" * 1312)
    note = Note(checkpoint_text(), (sign_note("", odd, lambda _: b"s" * 64),))

    with pytest.raises(SignatureError, match="type 0x06"):
        verify_note(note, [odd])


@pytest.mark.parametrize(
    ("note", "message"),
    [
        ("", "must be text"),
        ("text\n", "must be text"),
        ("text\n\n— a", "must be text"),
        ("text\n\n- a QUJDREVG\n", "signature line"),
        ("text\n\n— a+b QUJDREVG\n", "signature line"),
        ("text\n\n— a !!!\n", "base64"),
        ("text\n\n— a QUJDRB==\n", "canonical"),
        ("text\n\n— a QUJDRA==\n", "too short"),
        ("te\x00xt\n\n— a QUJDREVG\n", "control"),
    ],
)
def test_texts_that_are_no_note_are_refused(note: str, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        parse_note(note.encode())


def test_limits_of_notes() -> None:
    line = "— a QUJDREVG\n"

    assert len(parse_note(("t\n\n" + line * 100).encode()).signatures) == 100
    with pytest.raises(LimitError, match="101 signatures"):
        parse_note(("t\n\n" + line * 101).encode())
    with pytest.raises(LimitError, match="bytes"):
        parse_note(b"x" * 600_000)


@pytest.mark.parametrize(
    ("vkey", "message"),
    [
        ("nonsense", "name"),
        (EXAMPLE_VKEY.replace("530d903a", "530d903b"), "id must be 530d903a"),
        ("a+00000000+AA==", "too short"),
    ],
)
def test_verifier_keys_that_contradict_themselves_are_refused(vkey: str, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        parse_vkey(vkey)


def test_three_lines_are_read_and_extensions_left_out() -> None:
    expected = Checkpoint(
        origin="log.example/a", size=256, root=parse_checkpoint(checkpoint_text()).root
    )

    assert parse_checkpoint(checkpoint_text() + "extra\n") == expected
    assert expected.text() == checkpoint_text()


@pytest.mark.parametrize("size", ["", "-1", "+1", "01", "1_0", "\u0663", "9" * 19])
def test_size_that_is_not_plain_decimal_is_refused(size: str) -> None:
    with pytest.raises(EncodingError, match="size"):
        parse_checkpoint(f"log.example/a\n{size}\n{ROOT}\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        f"\n1\n{ROOT}\n",
        f"a b\n1\n{ROOT}\n",
        "a\n1\nQUI=\n",
        f"a\n1\n{ROOT[:-2]}J=\n",
        f"a\n1\n{ROOT}\n\n",
        f"a\n1\n{ROOT}",
    ],
)
def test_texts_that_are_no_checkpoint_are_refused(text: str) -> None:
    with pytest.raises(EncodingError):
        parse_checkpoint(text)


@given(st.binary(max_size=200))
def test_hostile_bytes_raise_our_error_and_no_other(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_note(b"\x00" + data)
    with pytest.raises(InputError):
        parse_note(data.replace(b"\n\n", b""))


@given(st.text(max_size=200))
def test_hostile_text_raises_our_error_and_no_other(text: str) -> None:
    with pytest.raises(InputError):
        parse_checkpoint(text)
    with pytest.raises(InputError):
        parse_vkey(text)
