"""Typed records, emitters that number them, loaders that yield only what verifies, bundles."""

from tallystick.evidence.emitter import Emitter
from tallystick.evidence.erased import retrain_due
from tallystick.evidence.export import Shown, build_bundle
from tallystick.evidence.numbering import Numbering, emitter_id
from tallystick.evidence.records import (
    RECORDS,
    Change,
    Decision,
    Evaluation,
    Intent,
    Model,
    Outcome,
    Record,
    Refusal,
    schemas,
)
from tallystick.evidence.rows import (
    LoadedRows,
    RefusedRow,
    VerifiedRow,
    encode_row,
    load_rows,
    schema_digest,
    sign_batch,
)
from tallystick.evidence.signing import read_record, sign_fields

__all__ = [
    "RECORDS",
    "Change",
    "Decision",
    "Emitter",
    "Evaluation",
    "Intent",
    "LoadedRows",
    "Model",
    "Numbering",
    "Outcome",
    "Record",
    "Refusal",
    "RefusedRow",
    "Shown",
    "VerifiedRow",
    "build_bundle",
    "emitter_id",
    "encode_row",
    "load_rows",
    "read_record",
    "retrain_due",
    "schema_digest",
    "schemas",
    "sign_batch",
    "sign_fields",
]
