package dmaptemporal

import (
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

// WithConverter returns c for Start and Open, if c has a data converter of its own, such as one
// that encrypts. The server then has the heartbeats of leases, and the name and parameters of a
// run, in a form that only this converter reads. Without it a Run has no figures of leases before
// they report, and Start follows a run with other parameters. Serve takes c either way.
func WithConverter(c client.Client, data converter.DataConverter) client.Client {
	return converted{plain(c), data}
}

type converted struct {
	client.Client
	data converter.DataConverter
}

// plain returns the client of Temporal, which workers need.
func plain(c client.Client) client.Client {
	if c, ok := c.(converted); ok {
		return c.Client
	}
	return c
}

// dataOf returns the converter that reads the payloads of c.
func dataOf(c client.Client) converter.DataConverter {
	if c, ok := c.(converted); ok && c.data != nil {
		return c.data
	}
	return converter.GetDefaultDataConverter()
}
