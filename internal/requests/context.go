package requests

import "context"

// Limits are the Limiters of a run.
type Limits struct{ Listing, Reading Limiter }

type key struct{}

// With returns a context whose requests are bounded by limits. It is for a source: what the
// function of a user reads is a call.
func With(ctx context.Context, limits *Limits) context.Context {
	return context.WithValue(ctx, key{}, limits)
}

// Listing returns the Limiter for listings, nil if ctx has none.
func Listing(ctx context.Context) *Limiter {
	if l, _ := ctx.Value(key{}).(*Limits); l != nil {
		return &l.Listing
	}
	return nil
}

// Reading returns the Limiter for reading objects, nil if ctx has none.
func Reading(ctx context.Context) *Limiter {
	if l, _ := ctx.Value(key{}).(*Limits); l != nil {
		return &l.Reading
	}
	return nil
}
