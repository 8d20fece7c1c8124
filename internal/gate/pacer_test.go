package gate

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func perSecond(calls, items float64) Rate {
	return Rate{Calls: calls, Items: items, CallsBurst: 1, ItemsBurst: 1}
}

// paced is a crew whose workers make as many calls as they are granted.
type paced struct {
	*Gate[int]
	mu    sync.Mutex
	began time.Time
	at    []time.Duration // of the calls
}

func newPaced(limit int) *paced {
	p := &paced{began: time.Now()}
	p.Gate = New[int](limit, Config{
		Room: func(int) int { return 1000 }, Crowded: func(int, Load) bool { return false },
		WorthWaking: func(int) bool { return true }, Start: func() { go p.work() },
	})
	return p
}

// work treats a piece of work as that number of calls.
func (p *paced) work() {
	wake := make(chan struct{}, 1)
	n, grant, ok := p.Next(false, false, wake)
	for ok {
		for n > 0 && grant.Calls > 0 && !p.Yield(grant) {
			p.mu.Lock()
			p.at = append(p.at, time.Since(p.began))
			p.mu.Unlock()
			n--
			grant.Calls--
		}
		if grant.Limited() && grant.Calls > 0 {
			p.GiveBackCalls(grant.Calls, grant.Calls)
		}
		if n > 0 {
			p.GiveBackPart(n, Load{Units: n, Items: n})
		}
		n, grant, ok = p.Next(true, true, wake)
	}
}

func (p *paced) finish() {
	p.Close()
	<-p.Finished()
	synctest.Wait()
}

func TestAGrantIsForTheCallsThatTheRateAllows(t *testing.T) {
	for _, rate := range []Rate{perSecond(10, 0), perSecond(0, 10), perSecond(10, 11), {Calls: 10, CallsBurst: 7}} {
		synctest.Test(t, func(t *testing.T) {
			p := newPaced(4)
			p.SetRate(rate)
			require.True(t, p.Offer(64, Load{Units: 64, Items: 64}))
			p.finish()
			require.Len(t, p.at, 64)
			burst := int(max(rate.CallsBurst, rate.ItemsBurst, 1))
			for i, at := range p.at {
				require.InDelta(t, time.Duration(max(0, i+1-burst))*100*time.Millisecond, at, float64(time.Microsecond))
			}
		})
	}
}

func TestANewRateEndsTheGrantsWithoutALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[int](1, Config{
			Room: func(int) int { return 10 }, Crowded: func(int, Load) bool { return false },
			WorthWaking: func(int) bool { return true }, Start: func() {},
		})
		require.True(t, g.Offer(1, Load{Units: 64, Items: 64}))
		_, grant, ok := g.Next(false, false, nil)
		require.True(t, ok)
		require.False(t, grant.Limited())
		require.False(t, g.Yield(grant))
		g.SetRate(Rate{})
		require.False(t, g.Yield(grant), "there was none, and is none")
		g.SetRate(perSecond(5, 0))
		require.True(t, g.Yield(grant))
		require.InDelta(t, 5, g.Rate(), 0)
		g.Stop()
	})
}

func TestCallsThatAreGivenBackStartLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaced(1)
		p.SetRate(Rate{Calls: 1, CallsBurst: 5})
		p.SetPaused(true)
		require.True(t, p.Offer(3, Load{Units: 3, Items: 3}))
		p.SetPaused(false)
		synctest.Wait()
		require.True(t, p.Offer(4, Load{Units: 9, Items: 9})) // says 9, makes 4: returns the rest
		p.finish()
		require.Equal(t, []time.Duration{0, 0, 0, 0, 0, time.Second, 2 * time.Second}, p.at)
	})
}

func TestAThrottledCallSlowsTheGateOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[int](10, Config{
			Room: func(int) int { return 100 }, Crowded: func(int, Load) bool { return false },
			WorthWaking: func(int) bool { return true }, Start: func() {},
		})
		var grants []Grant
		for i := range 10 {
			require.True(t, g.Offer(i, one))
			_, grant, ok := g.Next(false, false, nil)
			require.True(t, ok)
			grants = append(grants, grant)
		}
		sum := 0
		for i, grant := range grants {
			fell := g.Throttle(Throttled{Grant: grant, Asked: 2 * time.Second, CallTime: 100 * time.Millisecond, Calls: int64(i + 1)})
			if fell {
				sum++
			}
			require.True(t, g.Yield(grant))
		}
		require.Equal(t, 1, sum, "the others started before")
		s := g.State()
		require.Less(t, s.Slots, s.Limit)
		require.Equal(t, 10, s.Limit)
		require.Positive(t, s.Rate)
		require.Equal(t, time.Now().Add(2*time.Second), s.Until)
		g.SetLimit(5)
		require.Equal(t, 5, g.State().Limit, "the ceiling is the user's")
		g.Stop()
		require.False(t, g.Throttle(Throttled{}), "after the end nothing changes")
	})
}

func TestPausesAreMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[int](1, Config{})
		for range 2 {
			g.SetPaused(true)
			g.SetPaused(true)
			time.Sleep(time.Second)
			g.SetPaused(false)
			g.SetPaused(false)
			time.Sleep(time.Second)
		}
		require.Equal(t, 2*time.Second, g.PausedFor())
		g.SetPaused(true)
		time.Sleep(time.Second)
		require.Equal(t, 3*time.Second, g.PausedFor())
	})
}

func TestAGateWhoseBurstIsSpentWaitsForItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaced(4)
		p.SpendBurst() // nothing: there is no rate
		p.SetRate(Rate{Calls: 10, CallsBurst: 7})
		p.SpendBurst()
		require.True(t, p.Offer(8, Load{Units: 8, Items: 8}))
		p.finish()
		require.Len(t, p.at, 8)
		for i, at := range p.at {
			require.InDelta(t, time.Duration(i+1)*100*time.Millisecond, at, float64(time.Microsecond))
		}
	})
}
