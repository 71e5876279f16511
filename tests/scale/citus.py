"""A stand-in for the extension citus: its catalogue and the few functions that distributing calls, which note what they
are told and move nothing. It shows what we ask of Citus, and not that Citus does it."""

from pathlib import Path

CONTROL = "comment = 'stand-in'\ndefault_version = '13.0-1'\nrelocatable = false\nschema = pg_catalog\n"

SCRIPT = """
SET LOCAL allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_node (nodename text, isactive boolean, shouldhaveshards boolean);
CREATE TABLE pg_catalog.pg_dist_partition (
    logicalrelid regclass PRIMARY KEY, partmethod "char" NOT NULL, partkey text, colocationid int, repmodel "char");
CREATE TABLE pg_catalog.told (said text);
CREATE FUNCTION create_reference_table(table_name regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pg_dist_partition VALUES (table_name, 'n', NULL, 2, 't');
END $$;
CREATE FUNCTION create_distributed_table(
    table_name regclass, distribution_column text, distribution_type text DEFAULT 'hash',
    colocate_with text DEFAULT 'default', shard_count int DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    beside int := 1;
BEGIN
    IF colocate_with <> 'default' THEN
        SELECT colocationid INTO STRICT beside FROM pg_dist_partition WHERE logicalrelid = colocate_with::regclass;
    END IF;
    INSERT INTO pg_dist_partition VALUES (table_name, 'h', distribution_column, beside, 's');
END $$;
CREATE FUNCTION truncate_local_data_after_distributing_table(function_table regclass) RETURNS void
LANGUAGE sql AS $$ INSERT INTO told VALUES ('truncated ' || function_table) $$;
CREATE FUNCTION column_to_column_name(table_name regclass, column_var_text text) RETURNS text
LANGUAGE sql AS $$ SELECT column_var_text $$;
"""


def write_extension(folder: Path) -> None:
    """Into a folder that `extension_control_path` can name."""
    extension = folder / "extension"
    extension.mkdir()
    (extension / "citus.control").write_text(CONTROL)
    (extension / "citus--13.0-1.sql").write_text(SCRIPT)
