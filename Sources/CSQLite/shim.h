#ifndef ROOST_CSQLITE_SHIM_H
#define ROOST_CSQLITE_SHIM_H

#include <sqlite3.h>

// Calls with a variable number of arguments and casts of numbers to pointers, neither of which Swift imports.

/// Sets a switch of a connection (`SQLITE_DBCONFIG_…`).
static inline int roost_sqlite_switch(sqlite3 *database, int option, int value) {
    return sqlite3_db_config(database, option, value, (int *)0);
}

/// A copy of a text in SQLite's own memory, as virtual tables hand errors over.
static inline char *roost_sqlite_copy(const char *text) { return sqlite3_mprintf("%s", text); }

static inline void roost_sqlite_result_text(sqlite3_context *context, const char *text, int length) {
    sqlite3_result_text(context, text, length, SQLITE_TRANSIENT);
}

static inline int roost_sqlite_bind_text(sqlite3_stmt *statement, int place, const char *text, int length) {
    return sqlite3_bind_text(statement, place, text, length, SQLITE_TRANSIENT);
}

static inline int roost_sqlite_bind_blob(sqlite3_stmt *statement, int place, const void *bytes, int length) {
    return sqlite3_bind_blob(statement, place, bytes, length, SQLITE_TRANSIENT);
}

/// A virtual table and a cursor of it, each with a Swift object behind it.
typedef struct {
    sqlite3_vtab base;
    void *object;
} roost_sqlite_table;

typedef struct {
    sqlite3_vtab_cursor base;
    void *object;
} roost_sqlite_cursor;

#endif
