// A real OpenID provider on loopback, for as long as standard input is open.
//
//   node provider.mjs MODULES < settings
//
// The first line of standard input is JSON: port, clients, accounts (name and groups by login),
// programs (groups by client id), audience, jwks. Prints its issuer once it listens. Its own pages
// for signing in take any password; a login that is no account is not let in.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const require = createRequire(pathToFileURL(`${process.argv[2]}/`));
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const lines = createInterface({ input: process.stdin });
const settings = JSON.parse((await lines[Symbol.asyncIterator]().next()).value);
process.stdin.resume().on('end', () => process.exit(0)).on('close', () => process.exit(0));

const { port, clients, accounts, programs, audience, jwks, inIdToken } = settings;
const issuer = `http://localhost:${port}`;
const provider = new Provider(issuer, {
  clients,
  jwks,
  cookies: { keys: ['loopback only'] },
  claims: { openid: ['sub'], profile: ['name'], groups: ['groups'] },
  scopes: ['openid', 'profile', 'groups'],
  conformIdTokenClaims: !inIdToken,
  pkce: { required: () => true },
  enabledJWA: {
    idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
  },
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
  features: {
    clientCredentials: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: (_, resource) => ({
        scope: '', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: 600,
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  extraTokenClaims: (_, token) => (
    token.kind === 'ClientCredentials' ? { groups: programs[token.clientId] ?? [] } : undefined
  ),
  findAccount: (_, id) => (id in accounts
    ? { accountId: id, claims: () => ({ sub: id, ...accounts[id] }) } : undefined),
  ttl: { Session: 600, Grant: 600, Interaction: 600, IdToken: 600, AccessToken: 600 },
});
provider.listen(port, '127.0.0.1', () => console.log(issuer));
