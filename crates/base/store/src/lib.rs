//! One database handle over SQLite or PostgreSQL: transactions, migrations, locks.
