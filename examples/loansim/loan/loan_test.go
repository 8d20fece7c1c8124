package loan

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// solid returns a loan that is repaid: 100 a month for a year, without interest. The surplus of the
// first month is 400.
func solid() Application {
	return Application{
		ID:        "L-1",
		Applicant: Applicant{Employment: "public"},
		Household: Household{Income: 1000, Rent: 200, Living: 300, Savings: 50},
		Loan:      Loan{Amount: 1200, Months: 12},
	}
}

func TestSimulateAddsTheSurplusToTheSavings(t *testing.T) {
	a := solid()
	a.Loan.Amount, a.Loan.Months = 100, 1
	v, err := Simulate(a, 2)
	require.NoError(t, err)
	require.Equal(t, Verdict{ID: "L-1", Savings: 50 + 400, Lowest: 50, Burden: 0.1}, v)
}

func TestDefaultErrorNamesReasonAndMonth(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Application)
		want   DefaultError
	}{
		"no money left": {
			func(a *Application) { a.Household.Living = 760 },
			DefaultError{ID: "L-1", Reason: Insolvent, Month: 1, Detail: "10.00 short"},
		},
		"too much debt": {
			func(a *Application) { a.Debts = []Debt{{Monthly: 310, Months: 1}} },
			DefaultError{ID: "L-1", Reason: Overindebted, Month: 1, Detail: "41 % of the income is spent on debts"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := solid()
			c.change(&a)
			_, err := Simulate(a, 2)
			var d *DefaultError
			require.ErrorAs(t, err, &d)
			require.Equal(t, c.want, *d)
			require.Equal(t, c.want.Reason, d.Class())
		})
	}
}

func TestDebtsEndWhenTheyAreRepaid(t *testing.T) {
	without, err := Simulate(solid(), 2)
	require.NoError(t, err)
	a := solid()
	a.Debts = []Debt{{Monthly: 100, Months: 3}}
	with, err := Simulate(a, 2)
	require.NoError(t, err)
	require.InDelta(t, 300, without.Savings-with.Savings, 0.01)
	require.InDelta(t, 0.2, with.Burden, 1e-9)
}

func TestInvalidApplicationIsAnError(t *testing.T) {
	for name, change := range map[string]func(*Application){
		"employment": func(a *Application) { a.Applicant.Employment = "pirate" },
		"months":     func(a *Application) { a.Loan.Months = 0 },
		"income":     func(a *Application) { a.Household.Income = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			a := solid()
			change(&a)
			_, err := Simulate(a, 2)
			require.ErrorContains(t, err, "loan L-1: invalid application")
		})
	}
}

func TestInstalmentsRepayTheLoanExactly(t *testing.T) {
	l := Loan{Amount: 10_000, Months: 36, Rate: 6, Variable: true}
	for _, additional := range []float64{0, 2} {
		rest, rate := l.Amount, 6+passThrough*additional
		for range l.Months {
			rest += rest*rate/100/12 - l.instalment(additional)
		}
		require.InDelta(t, 0, rest, 1e-6)
	}
}

func TestMakeIsDeterministic(t *testing.T) {
	again := Make(41)
	require.Equal(t, Make(41), again)
	require.NotEqual(t, Make(41), Make(42))
	require.Equal(t, "applications/0012/0012345.json", Key(12345))
}

func TestMoreInflationFailsMoreLoans(t *testing.T) {
	const n = 5000
	failed := map[float64]float64{}
	var corrupt, size int
	for i := range int64(n) {
		data, err := Encode(i)
		require.NoError(t, err)
		size += len(data)
		var a Application
		if json.Unmarshal(data, &a) != nil {
			corrupt++
			continue
		}
		for _, additional := range []float64{0, 2, 4} {
			if _, err := Simulate(a, additional); err != nil {
				var d *DefaultError
				require.ErrorAs(t, err, &d)
				failed[additional]++
			}
		}
	}
	require.InDelta(t, 1024, size/n, 64)
	require.Equal(t, 6, corrupt)
	// The tolerance allows for rounding on other processors.
	require.InDelta(t, 156, failed[0], 2)
	require.InDelta(t, 193, failed[2], 2)
	require.InDelta(t, 265, failed[4], 2)
}
