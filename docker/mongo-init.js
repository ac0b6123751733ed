// Run once, on an empty volume, as root: the users that Weir's services have, each with no more than it needs.
//
//   weir     reads and writes the database `server`, for the sink, the web views and model analysis
//   viewer   reads it, for Mongo Express
//
// Both are users of that database, so that their names say nothing elsewhere.

const { readFileSync } = require('fs');

const secret = (name) => {
  const text = readFileSync(`/run/secrets/${name}`, 'utf8').trim();
  if (!text) throw new Error(`the secret ${name} is empty: run docker/prepare.py`);
  return text;
};

const database = db.getSiblingDB('server');
database.createUser({
  user: 'weir',
  pwd: secret('mongo_password'),
  roles: [{ role: 'readWrite', db: 'server' }],
});
database.createUser({
  user: 'viewer',
  pwd: secret('mongo_viewer_password'),
  roles: [{ role: 'read', db: 'server' }],
});
