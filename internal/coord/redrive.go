package coord

import "github.com/go-dmap/dmap/internal/tolerance"

// Redrive is the redrive that the run is in.
type Redrive struct {
	Number int `json:"number"`
	// Others take no part in it. Their Gone are those of the run before the redrive.
	Others tolerance.Redrive `json:"others"`
}
