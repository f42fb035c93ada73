"""Settings of a further ledger: what its own file says, else what the service's settings say.

    of_service = trace(home.settings, os.environ, flags)
    found = trace_further(of_service, "hr", home.further("hr").settings)

Where to listen, certificates, limits and logs are the service's alone. The head store is each
ledger's own, for two logs in one folder would take each other's checkpoint for a fork.
"""

from dataclasses import replace
from pathlib import Path

from tallystick.errors import InputError
from tallystick.web.settings import LEDGERS, OF_LEDGER, OF_ONE, OF_UPSTREAMS, Settings
from tallystick.web.sources import DEFAULT, Sourced, Sources, read_file


def trace_further(service: Sources, name: str, file: Path) -> Sources:
    """Return the settings of a further ledger, where each came from, and what is wrong.

    Args:
        service: Settings of the service.
        name: Of the ledger, as it stands in addresses.
        file: Its `tallystick.toml`, which need not exist.
    """
    found = Sources(dict(service.values), list(service.faults))
    found.values["head"] = Sourced(None, DEFAULT)
    found.values["public_url"] = _public(service.values["public_url"], name)
    default = Settings()
    for one in OF_ONE:
        found.values[one] = Sourced(getattr(default, one), DEFAULT)
    named = read_file(found, file, _refuse)
    if OF_UPSTREAMS & named:
        for one in OF_UPSTREAMS - named:
            found.values[one] = Sourced(getattr(default, one), DEFAULT)
    return found


def _public(of_service: Sourced, name: str) -> Sourced:
    """Return what clients call a further ledger, where the service has a name."""
    if of_service.value is None:
        return of_service
    return replace(of_service, value=f"{of_service.value.rstrip('/')}{LEDGERS}{name}")


def _refuse(place: str, name: str) -> None:
    if name in Settings.__struct_fields__ and name not in OF_LEDGER:
        raise InputError(
            f"{place}: {name} is a setting of the whole service, and this file is one ledger's",
            advice="set it in the service's own tallystick.toml",
        )
