SELECT COUNT(*) FROM peers WHERE kind = 'ipa' AND active = 1 AND approved = 1
