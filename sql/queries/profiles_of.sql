SELECT email, phone, language, contact_name, company FROM profiles WHERE account_id = $1
