package dmap

// Range holds a value with a probability of 90 %, if the sample is like the rest.
type Range struct{ Low, High float64 }
