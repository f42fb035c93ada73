"""People sign in with their organisation's own provider: OpenID Connect, for pages and API.

Read `sign_in.SignIn` first. Nothing here is loaded where `oidc_issuer` is not set.

| what comes | module | becomes |
|---|---|---|
| `GET /login/begin` | `sign_in` | a request to the provider: code, PKCE S256, state, nonce |
| `GET /login/callback` | `sign_in`, `tokens` | a session, if all holds and there is a role |
| cookie of a session | `sessions`, `admission` | the role that this ledger gives the person |
| bearer token, a JWT | `tokens`, `admission` | the same, for programs |

Reasons for which somebody is refused, all with the prefix `oidc.`: `state`, `browser`, `issuer`,
`denied`, `provider-error`, `code`, `client`, `format`, `algorithm`, `key`, `signature`, `type`,
`audience`, `party`, `expired`, `too-early`, `too-old`, `nonce`, `access-token`, `claims`,
`groups-elsewhere`, `unmapped`, `opaque`. Only `tokens` and `claims` decide what is believed.

Trust: the provider says who somebody is and what they are to the organisation; the table
`oidc_roles` says what that opens here. Whoever controls the provider, or its name, can sign in as
anybody. Neither signs anything in a ledger: a role opens the service, and changes no entry.

Source:
    OpenID Connect Core 1.0, Discovery 1.0, RP-Initiated Logout 1.0; RFC 7636 (PKCE), RFC 9207
    (iss), RFC 9700 (best practice), RFC 9068 (access tokens), RFC 7523 (private_key_jwt).
"""
