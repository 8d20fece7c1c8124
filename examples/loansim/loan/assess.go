package loan

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// Assess reads one application and simulates it. Read errors are retried. A loan that fails and
// malformed JSON are permanent errors.
func Assess(ctx context.Context, o source.Object, inflation float64) (Verdict, error) {
	data, err := o.ReadAll(ctx)
	if err != nil {
		return Verdict{}, &dmap.ReadError{Err: err}
	}
	var app Application
	if err := json.Unmarshal(data, &app); err != nil {
		return Verdict{}, dmap.Permanent(&dmap.ReadError{Err: fmt.Errorf("%s: %w", o.Key, err)})
	}
	verdict, err := Simulate(app, inflation)
	return verdict, dmap.Permanent(err)
}
