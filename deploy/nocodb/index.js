'use strict';

// NocoDB as a process of its own, listening on this machine only: a reverse proxy in front of it does TLS.

const http = require('node:http');
const express = require('express');

const DEFAULTS = {
  NC_DISABLE_TELE: 'true',
  NC_DISABLE_ONBOARDING_FLOW: 'true',
  NC_DISABLE_SUPPORT_CHAT: 'true',
  NC_TOOL_DIR: process.cwd(),
};

async function main() {
  if (!/^pg:/.test(process.env.NC_DB || '')) {
    throw new Error('NC_DB must name a Postgres for NocoDB\'s own tables: pg://HOST:PORT?u=USER&p=PASSWORD&d=DATABASE');
  }
  for (const [name, value] of Object.entries(DEFAULTS)) process.env[name] = process.env[name] || value;
  const { Noco } = require('nocodb');
  const app = express();
  const server = http.createServer(app);
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(process.env.PORT || 8080), process.env.NC_LISTEN || '127.0.0.1', resolve);
  });
  app.use(await Noco.init({}, server, app));
  console.log(`NocoDB is ready on ${server.address().address}:${server.address().port}`);
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
