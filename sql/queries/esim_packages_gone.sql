UPDATE esim_packages SET gone = 1 WHERE code = $1
