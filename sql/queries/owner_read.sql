SELECT epoch, node, address, lease_until FROM owners WHERE tree = $1
