SELECT COUNT(*) FROM peers WHERE kind = 'ipa' AND active = 1
