// Exit with 0 if the server accepts Weir's own user. Asked by the container's name: while the first start
// sets things up, a server without passwords listens on localhost only, and it is not healthy yet.

const { hostname } = require('os');
const { readFileSync } = require('fs');

const password = encodeURIComponent(readFileSync('/run/secrets/mongo_password', 'utf8').trim());
const options = 'authSource=server&directConnection=true&serverSelectionTimeoutMS=4000';
const server = new Mongo(`mongodb://weir:${password}@${hostname()}:27017/?${options}`).getDB('server');
quit(server.runCommand({ connectionStatus: 1 }).authInfo.authenticatedUsers.length === 1 ? 0 : 1);
