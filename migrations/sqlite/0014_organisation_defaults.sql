-- What new projects of the organisation begin with; NULL for what all projects begin with.
ALTER TABLE organisation_settings ADD COLUMN kb_retention_days INTEGER;
ALTER TABLE organisation_settings ADD COLUMN kb_max_context_words INTEGER;
ALTER TABLE organisation_settings ADD COLUMN kb_section_page_limit INTEGER;
