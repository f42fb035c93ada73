"""Runs in the peer's own environment: time what its quick start does for one call.

python peer.py CALLS BYTES

Prints JSON: seconds of each call, sorted, and calls in a second.
"""

import json
import sys
import time

from ai_audit import AuditConfig, ReceiptAction, ReceiptCollector, ReceiptStore, init_audit_config


def main(calls: int, size: int) -> None:
    init_audit_config(AuditConfig.from_env())
    store, question, answer = ReceiptStore(), "q" * size, "a" * size
    times = []
    for number in range(calls):
        began = time.perf_counter()
        collector = ReceiptCollector(trace_id=f"req-{number}", tenant_id="bench")
        collector.set_input(question)
        collector.set_output(answer)
        collector.set_action(ReceiptAction.ALLOW)
        collector.emit(store)
        collector.cleanup()
        times.append(time.perf_counter() - began)
    print(json.dumps({"times_s": times, "per_s": calls / sum(times)}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
