package profiles

// UsualProtection returns what the directory of a profile asks of Windows logins
// unless an administrator has changed it: none, allow or require. It is what the
// preset ships, whatever the site says.
func UsualProtection(preset, profile string) string {
	if p := shippedProfiles(preset)[profile]; p != nil {
		return p.ExtendedProtection
	}
	return "none"
}
