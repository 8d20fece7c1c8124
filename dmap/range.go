package dmap

// Range is meant to hold a value in 90 % of the estimates that are given: see [Estimation].
type Range struct{ Low, High float64 }
