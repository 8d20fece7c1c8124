package dmaptemporal_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
)

// secretive is a converter whose payloads no other one reads.
func secretive() converter.DataConverter {
	return converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), converter.NewZlibCodec(converter.ZlibCodecOptions{AlwaysEncode: true}))
}

func TestARunOnAServerIsFollowedWithItsOwnConverter(t *testing.T) {
	c := newCluster(t, 0)
	own, err := client.Dial(client.Options{HostPort: c.server.address, Logger: quiet{}, DataConverter: secretive()})
	require.NoError(t, err)
	t.Cleanup(own.Close)
	c.client = dmaptemporal.WithConverter(own, secretive())
	c.serve(dmaptemporal.Worker{})
	c.call = time.Second
	run := c.start(1000, dmaptemporal.Settings{MaxConcurrency: 20, Beat: 3 * time.Second})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	without, err := dmaptemporal.Open(ctx, own, "r", nil)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return run.Stats().InFlight > 0 }, time.Minute, 100*time.Millisecond)
	require.Zero(t, without.Stats().InFlight, "or WithConverter is not needed")
	_, err = c.squares.Start(t.Context(), c.client, "squares", "r", params{2}, dmaptemporal.Settings{})
	require.ErrorIs(t, err, dmap.ErrSpecChanged)
	run.Cancel(nil)
	_, err = run.Wait()
	require.ErrorIs(t, err, dmap.ErrCanceled)
}
