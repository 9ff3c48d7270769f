-- PostgreSQL keeps its statistics up to date by itself.
SELECT 1;
