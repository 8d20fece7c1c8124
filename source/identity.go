package source

import (
	"fmt"

	"github.com/go-dmap/dmap/internal/fingerprint"
)

// contentVersion is what the Version of a split starts with that is a hash of its values.
const contentVersion = "content:"

// identity hashes the values of a slice or a sequence, or what SliceOptions.Identity makes of them.
type identity[T any] struct {
	source string // the function that the options are of
	of     func(T) string
	values fingerprint.Func[T]
}

func identityOf[T any](source string, options []SliceOptions[T]) identity[T] {
	return identity[T]{source, first(options).Identity, fingerprint.Of[T]()}
}

// add adds value i to h.
func (d *identity[T]) add(h fingerprint.Hash, i int64, value *T) (fingerprint.Hash, error) {
	if d.of != nil {
		return h.Text(d.of(*value)), nil
	}
	h, err := d.values.Add(h, value)
	if err != nil {
		err = fmt.Errorf("item %d: a process that resumes the run cannot compare values of type %T: %w: set %sOptions.Identity, or give the field the tag `dmap:\"-\"`",
			i, *value, err, d.source)
	}
	return h, err
}
