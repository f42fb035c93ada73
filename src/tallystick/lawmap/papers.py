"""Names by which documents that a law asks for are found on the ledger.

A document is registered as `tally register --type document --subject NAME --field 'text=@@FILE'`:
its subject is public and says only which kind of document it is, its text lies in the vault. What
stands in it is for a person to judge; a check sees that there is one, whose, and since when.
"""

from typing import Final

PAPERS: Final = {
    "technical-documentation": "technical documentation",
    "instructions": "instructions for use",
    "risk-management": "a risk management file",
    "monitoring-plan": "a plan for monitoring in use",
    "incident-report": "a report of a serious incident",
    "dpia": "a data protection impact assessment",
    "processing-record": "a record of processing activities",
    "privacy-notice": "information for the people concerned",
    "ai-notice": "a notice that AI is used",
    "processor-contract": "a contract with a processor",
    "transfer-basis": "the basis of a transfer to another country",
    "breach-report": "a report of a breach",
    "complaints-procedure": "a procedure for complaints",
    "ledger-choice": "the reasons for a ledger, and for this kind of one",
    "vulnerability-policy": "a policy for vulnerabilities",
}
"""Subject of the document, and what it is."""
