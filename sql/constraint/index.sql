-- The index of a table ($1) by which a foreign key on a column ($2) finds its rows.
SELECT to_json(x.relname)::text
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = $1 AND a.attname = $2 AND i.indisvalid AND m.amname IN ('btree', 'hash')
    AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname))
ORDER BY i.indpred IS NOT NULL, i.indnkeyatts, x.relname
LIMIT 1
