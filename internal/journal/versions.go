package journal

// Changed looks for a split whose content is no longer that which the run has settled. It returns
// the first settled interval of such a split, and the version of the split now. version returns the
// version of the split of an interval now; empty: it is not known. Lists of items to read again
// have none. An empty now: there is no such split, or version returned err for the split of at.
func Changed(settled []Interval, version func(Interval) (string, error)) (at Interval, now string, err error) {
	compared := ""
	for _, v := range settled {
		if v.Version == "" || v.Split == compared || IsTakenSplit(v.Split) {
			continue
		}
		compared = v.Split
		if now, err = version(v); err != nil {
			return v, "", err
		}
		if now != "" && now != v.Version {
			return v, now, nil
		}
	}
	return Interval{}, "", nil
}
