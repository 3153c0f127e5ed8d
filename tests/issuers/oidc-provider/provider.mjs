// The certified provider `oidc-provider` as an issuer for tests:
//
//     node provider.mjs FOLDER PORT        FOLDER has the node_modules; PORT 0 is any
//
// It says `listening PORT` when it serves. Then each line that it reads is a command, answered by a line: `rotate` signs
// with a new key and still publishes the old ones, `retire` publishes the signing key alone. It ends with its input, so
// that nothing of a test that fails is left behind.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [folder, port] = process.argv.slice(2);
const installed = createRequire(resolve(folder, 'package.json')).resolve('oidc-provider');
const { Provider } = await import(pathToFileURL(installed));

// What a token is for is chosen by the resource that a client asks for (RFC 8707).
const signed = { scope: 'read write', audience: 'orders', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
const opaque = { scope: 'read', accessTokenFormat: 'opaque' };
const resources = {
  'urn:orders': signed,
  'urn:invoices': { ...signed, audience: 'invoices' },
  // Signed with the same key for the same audience, but no access token by its `typ`.
  'urn:untyped': signed,
  'urn:reports': { ...opaque, audience: 'reports' },
  'urn:notes': { ...opaque, audience: 'notes' },
};

function newKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'ES256', use: 'sig' };
}

// The provider takes its keys when it is made, so other keys are another provider behind the same port. They share what
// was issued.
const issued = new Map();
const adapter = (kind) => ({
  find: async (id) => issued.get(`${kind} ${id}`),
  upsert: async (id, payload) => void issued.set(`${kind} ${id}`, payload),
  destroy: async (id) => void issued.delete(`${kind} ${id}`),
});

function serve(issuer, keys) {
  const machine = { redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256' };
  const provider = new Provider(issuer, {
    adapter,
    jwks: { keys },
    cookies: { keys: [randomUUID()] },
    scopes: ['read', 'write'],
    clients: [
      { ...machine, client_id: 'shop', client_secret: 'the secret of shop', grant_types: ['client_credentials'] },
      { ...machine, client_id: 'gate+way', client_secret: 's/cr t:+=&', grant_types: [] },
    ],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: (_, resource) => resources[resource] },
    },
    ttl: { ClientCredentials: 300 },
    formats: {
      customizers: {
        jwt(_, token, parts) {
          if (token.resourceServer.identifier() === 'urn:untyped') {
            parts.header = { typ: 'JWT' };
          }
        },
      },
    },
  });
  return provider.callback();
}

let handle;
const server = createServer((request, response) => handle(request, response));
server.listen(Number(port), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let keys = [newKey()];
  handle = serve(issuer, keys);
  const commands = {
    rotate: () => [newKey(), ...keys],
    retire: () => keys.slice(0, 1),
  };
  console.log(`listening ${server.address().port}`);
  createInterface({ input: process.stdin })
    .on('line', (command) => {
      keys = commands[command]();
      handle = serve(issuer, keys);
      console.log(`done ${command}`);
    })
    .on('close', () => process.exit());
});
