'use strict';

// NocoDB asks for sqlite3 although it keeps its own tables in Postgres here; the real one would have to be compiled.
class Database {
  constructor() {
    throw new Error('SQLite is not part of this installation: NC_DB must name a Postgres.');
  }
}

module.exports = { Database, verbose: () => module.exports };
