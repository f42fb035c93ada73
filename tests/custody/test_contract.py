"""Every kind of place signs alike, says alike that it cannot, and never says a secret."""

import logging
import os
import secrets
import traceback
from pathlib import Path

import pytest

from tallystick.errors import (
    ConflictError,
    DamagedError,
    InputError,
    NotFoundError,
    TallystickError,
    UnavailableError,
)
from tallystick.identity import KeptSigner, KeyFile, Signer
from tallystick.statement import KeyKind
from tests.custody.places import PASSPHRASE, Place

KINDS = pytest.mark.parametrize("kind", list(KeyKind), ids=lambda kind: kind.value)


def fresh() -> str:
    return f"key-{secrets.token_hex(4)}"


def keys_of(folder: Path) -> KeyFile:
    return KeyFile(folder / "issuers.key", PASSPHRASE)


def make(folder: Path, place: Place, kind: KeyKind = KeyKind.ED25519) -> Signer:
    keys = keys_of(folder)
    keys.make_signer("clinic", kind, at=place.reference(fresh()))
    keys.save()
    return keys_of(folder).signer("clinic")


@KINDS
def test_what_it_signs_verifies_and_has_64_bytes(
    place: Place, kind: KeyKind, tmp_path: Path
) -> None:
    signer = make(tmp_path, place, kind)

    for message in (b"", b"m", os.urandom(5000)):
        signature = signer.sign(message)

        assert len(signature) == 64
        signer.public.verify(signature, message, signer.algorithm)


@KINDS
def test_the_key_is_the_same_after_opening_again(
    place: Place, kind: KeyKind, tmp_path: Path
) -> None:
    first = make(tmp_path, place, kind)
    again = keys_of(tmp_path).signer("clinic")

    assert again.public == first.public
    assert again.issuer == first.issuer == first.public.did()
    first.public.verify(again.sign(b"m"), b"m")


def test_out_of_reach_is_said_and_does_not_last(place: Place, tmp_path: Path) -> None:
    used, fresh_one = make(tmp_path, place), keys_of(tmp_path).signer("clinic")
    used.sign(b"before")

    with place.away(), pytest.raises(UnavailableError):
        fresh_one.sign(b"m")

    fresh_one.public.verify(fresh_one.sign(b"m"), b"m")
    used.public.verify(used.sign(b"m"), b"m")


def test_no_second_key_is_made_where_one_lies(place: Place, tmp_path: Path) -> None:
    reference, keys = place.reference(fresh()), keys_of(tmp_path)
    first = keys.make_signer("a", at=reference)

    with pytest.raises(ConflictError):
        keys.make_signer("b", at=reference)

    taken = keys.make_signer("b", at=reference, existing=True)
    assert taken.public == first.public


def test_a_key_that_is_not_there_is_not_found(place: Place, tmp_path: Path) -> None:
    make(tmp_path, place)

    with pytest.raises(NotFoundError):
        keys_of(tmp_path).make_signer("b", at=place.reference(fresh()), existing=True)


def test_another_key_in_its_place_signs_nothing(place: Place, tmp_path: Path) -> None:
    keys, reference = keys_of(tmp_path), place.reference(fresh())
    keys.make_signer("a", at=reference)
    other = keys.make_signer("b", at=place.reference(fresh()))
    keys.add_kept("swapped", reference, other.public)

    with pytest.raises(DamagedError, match="another key lies at"):
        keys.signer("swapped").sign(b"m")


def test_a_rotated_key_keeps_its_issuer(place: Place, tmp_path: Path) -> None:
    keys = keys_of(tmp_path)
    keys.make_signer("a", issuer="did:key:zFirst", at=place.reference(fresh()))
    keys.rename("a", "b")
    keys.save()

    assert keys_of(tmp_path).signer("b").issuer == "did:key:zFirst"
    assert keys_of(tmp_path).signer("b").sign(b"m")


def test_nothing_secret_is_said(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    signer = make(tmp_path, place)
    said = [repr(signer), str(signer)]
    if isinstance(signer, KeptSigner):
        said.append(repr(signer.reach()))
    signer.sign(b"m")
    with place.away():
        try:
            keys_of(tmp_path).signer("clinic").sign(b"m")
        except TallystickError as error:
            said += [str(error), repr(error), str(error.advice), "".join(
                traceback.format_exception(error))]  # fmt: skip
    said += [caplog.text, (tmp_path / "issuers.key").read_text()]

    for secret in place.secrets():
        assert not any(secret in text for text in said)


def test_a_reference_cannot_be_changed_without_the_passphrase(place: Place, tmp_path: Path) -> None:
    make(tmp_path, place)
    path = tmp_path / "issuers.key"
    path.write_text(path.read_text().replace('"at": "', '"at": "x'))

    with pytest.raises(TallystickError, match="wrong passphrase, or the file was changed"):
        keys_of(tmp_path)


def test_a_reference_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody keeps keys for 'nowhere'"):
        keys_of(tmp_path).make_signer("a", at="nowhere:key")
    with pytest.raises(InputError, match="a key reference is"):
        keys_of(tmp_path).make_signer("a", at="no reference")
