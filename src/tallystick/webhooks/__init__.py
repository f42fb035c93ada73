"""Webhooks: statements that match are sent to a URL, signed, in log order, at least once.

Start with `tallystick.webhooks.follower`, which goes through the log for one webhook. Which
webhooks there are stands in `store`, how far each has come in `progress`, where they may go in
`addresses`, and what a target sees in `signing` and `sending`.
"""
