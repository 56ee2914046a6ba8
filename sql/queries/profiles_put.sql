INSERT INTO profiles (account_id, email, phone, language, contact_name, company) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (account_id) DO UPDATE SET email = excluded.email, phone = excluded.phone, language = excluded.language,
  contact_name = excluded.contact_name, company = excluded.company
