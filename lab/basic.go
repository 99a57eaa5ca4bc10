package lab

import (
	"encoding/base64"
	"strings"
)

// authenticateBasic checks a user and a password that come with every request.
// They say nothing of the connection.
func (v *visit) authenticateBasic(token string, offers []scheme) bool {
	user, err := checkBasic(token, v.cas.array.users)
	if err != nil {
		v.cas.counters.refused.Add(1)
		v.unauthorized(offers)
		return false
	}
	v.known(user)
	return true
}

func checkBasic(token string, users *Users) (user string, err error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token))
	if err != nil {
		return "", errCredentials
	}
	name, password, ok := strings.Cut(string(raw), ":")
	if !ok {
		return "", errCredentials
	}
	user, ok = users.check(name, password)
	if !ok {
		return "", errCredentials
	}
	return user, nil
}
