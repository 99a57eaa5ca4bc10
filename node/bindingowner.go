package node

import (
	"slices"
	"strings"

	"casbah/persistence"
)

// BindingOwner says whose a binding is. A key tells its scope and its method, so
// the profiles of one scope share an owner, and the steps of one method. Two
// scopes that look the same by chance, one pair in 65,536, do so as well.
type BindingOwner struct {
	Scopes   []string // who shares the binding
	VIPs     []string
	Profiles []string
	Steps    []string
}

// Step names the steps in one phrase.
func (o *BindingOwner) Step() string { return strings.Join(o.Steps, " or ") }

// label is a label of a chain, and where the chain stands.
type label struct {
	persistence.Label
	vip, profile string
}

// labelsOf returns the labels of all chains in force.
func labelsOf(snap *snapshot) []label {
	labels := placementLabels(snap)
	for _, v := range snap.vips {
		for _, p := range v.route.Profiles {
			for _, l := range p.Chain.Labels() {
				labels = append(labels, label{l, v.conf.Name, p.Name})
			}
		}
	}
	return labels
}

// ownersOf returns who owns the keys with each mark.
func ownersOf(labels []label) map[uint16]*BindingOwner {
	owners := make(map[uint16]*BindingOwner)
	for i := range labels {
		l := &labels[i]
		o := owners[l.Mark]
		if o == nil {
			o = new(BindingOwner)
			owners[l.Mark] = o
		}
		addName(&o.Scopes, l.Scope)
		addName(&o.VIPs, l.vip)
		addName(&o.Profiles, l.profile)
		addName(&o.Steps, l.Step)
	}
	return owners
}

func addName(names *[]string, name string) {
	if !slices.Contains(*names, name) {
		*names = append(*names, name)
	}
}

// marksOf returns the marks of the keys that f means, nil if it means any.
func marksOf(snap *snapshot, labels []label, f *BindingFilter) (map[uint16]bool, error) {
	if err := checkNames(snap, f.VIP, f.Profile); err != nil {
		return nil, err
	}
	if f.VIP == "" && f.Profile == "" && f.Step == "" {
		return nil, nil //nolint:nilnil // a nil map is what stands for any mark
	}
	var steps []string
	marks := make(map[uint16]bool)
	for i := range labels {
		l := &labels[i]
		if f.VIP != "" && l.vip != f.VIP || f.Profile != "" && l.profile != f.Profile {
			continue
		}
		addName(&steps, l.Step)
		if l.Mark == persistence.PlacementMark && f.Step == "" {
			continue // it binds nobody: only who asks for it means it
		}
		if method, _, _ := strings.Cut(l.Step, " "); f.Step == "" || f.Step == l.Step || f.Step == method {
			marks[l.Mark] = true
		}
	}
	if f.Step != "" && len(marks) == 0 {
		return nil, oneOf("step", steps, f.Step)
	}
	return marks, nil
}

// checkNames refuses a VIP that there is not, or a profile that it, or no VIP,
// serves. Empty names are any.
func checkNames(snap *snapshot, vip, profile string) error {
	var vips, served []string
	for _, v := range snap.vips {
		addName(&vips, v.conf.Name)
		if vip != "" && v.conf.Name != vip {
			continue
		}
		for _, name := range v.conf.Served() {
			addName(&served, name)
		}
	}
	switch {
	case vip != "" && !slices.Contains(vips, vip):
		return oneOf("vip", vips, vip)
	case profile != "" && !slices.Contains(served, profile):
		return oneOf("profile", served, profile)
	}
	return nil
}
