// Package notice passes lines for the log of a run from its source, which has no logger, to the
// engine. Neither of the two knows the other.
package notice

import "context"

type key struct{}

// With returns a context whose notices go to log, which is called from any goroutine, perhaps
// several times with the same text.
func With(ctx context.Context, log func(text string)) context.Context {
	return context.WithValue(ctx, key{}, log)
}

// Give passes text to the log of the run that reads a source with ctx, if there is one.
func Give(ctx context.Context, text string) {
	if log, ok := ctx.Value(key{}).(func(string)); ok {
		log(text)
	}
}
