CREATE TABLE public.user_profiles (
    profile_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL UNIQUE REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    years_of_experience integer NOT NULL DEFAULT 0 CHECK (years_of_experience BETWEEN 0 AND 100),
    experience_level text NOT NULL DEFAULT 'entry'
        CHECK (experience_level IN ('entry', 'junior', 'mid', 'senior', 'lead', 'executive')),
    education_level text NOT NULL DEFAULT 'bachelors'
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
COMMENT ON TABLE public.user_profiles IS 'Professional profile of a user; one row each, filled by registrar from the sign-up''s metadata.';

ALTER TABLE public.user_profiles ENABLE ROW LEVEL SECURITY;
-- First what default privileges may have granted: row security stops no TRUNCATE.
REVOKE ALL ON public.user_profiles FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, UPDATE ON public.user_profiles TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.user_profiles TO service_role;

CREATE POLICY registrar_own_row_select ON public.user_profiles FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));
CREATE POLICY registrar_own_row_update ON public.user_profiles FOR UPDATE TO authenticated
    USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()));
