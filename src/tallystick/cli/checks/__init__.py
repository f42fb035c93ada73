"""What `tally config check` and `tally doctor` look at, one module per thing that is looked at.

A check never raises: what it stumbles over is its finding. None of them changes anything.
"""
