// Package casbah holds the texts at the root of the repository that every
// binary carries. It has no code: what they mean is the business of package
// profiles.
package casbah

import _ "embed" // for the text below

// Profiles is profiles.toml: the profiles and presets that ship.
//
//go:embed profiles.toml
var Profiles string
