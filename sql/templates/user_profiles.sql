CREATE TABLE {table} (
    profile_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL UNIQUE REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    -- Those of a complete profile may be NULL: that is what makes one incomplete.
    years_of_experience integer DEFAULT 0 CHECK (years_of_experience BETWEEN 0 AND 100),
    experience_level text DEFAULT 'entry'
        CHECK (experience_level IN ('entry', 'junior', 'mid', 'senior', 'lead', 'executive')),
    education_level text DEFAULT 'bachelors'
        CHECK (education_level IN ('high_school', 'associates', 'bachelors', 'masters', 'phd', 'other')),
    field_of_study text,
    skills_technologies text[] NOT NULL DEFAULT '{}',
    work_arrangement_preference text NOT NULL DEFAULT 'any'
        CHECK (work_arrangement_preference IN ('any', 'remote', 'hybrid', 'on_site')),
    preferred_locations text[] NOT NULL DEFAULT '{}',
    salary_min integer CHECK (salary_min >= 0),
    salary_max integer CHECK (salary_max >= salary_min),
    salary_currency text NOT NULL DEFAULT 'USD' CHECK (salary_currency ~ '^[A-Z]{3}$'),
    profile_completed boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE {table} IS 'Professional profile of a user; one row each, filled by registrar.';
COMMENT ON COLUMN {table}.profile_completed IS 'Whether every required field is filled; kept by a trigger.';

-- A row that is restored brings its own time.
CREATE OR REPLACE FUNCTION {touch}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION {touch}() IS 'Keeps updated_at; made by registrar.create_profile_table.';
REVOKE ALL ON FUNCTION {touch}() FROM PUBLIC;
CREATE TRIGGER touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {touch}();

ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
-- First what default privileges may have granted: row security stops no TRUNCATE.
REVOKE ALL ON {table} FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT (user_id, years_of_experience, experience_level, education_level, field_of_study, skills_technologies, work_arrangement_preference, preferred_locations, salary_min, salary_max, salary_currency), UPDATE (years_of_experience, experience_level, education_level, field_of_study, skills_technologies, work_arrangement_preference, preferred_locations, salary_min, salary_max, salary_currency) ON {table} TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO service_role;

CREATE POLICY registrar_own_row_select ON {table} FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));
CREATE POLICY registrar_own_row_insert ON {table} FOR INSERT TO authenticated
    WITH CHECK (user_id = (SELECT auth.uid()));
CREATE POLICY registrar_own_row_update ON {table} FOR UPDATE TO authenticated
    USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()));
