package loan

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
)

const (
	seed         = 20261123
	perDirectory = 1000
	statements   = 84
	oneCorruptIn = 1000
)

var (
	employments = []string{"public", "private", "private", "private", "self-employed", "pension"}
	regions     = []string{"north", "east", "south", "west", "islands"}
	purposes    = []string{"car", "renovation", "education", "consolidation", "equipment"}
	kinds       = []string{"credit card", "car", "student loan", "consumer credit"}
	first       = []string{"Ada", "Bela", "Chidi", "Dana", "Emre", "Fatou", "Goran", "Hana", "Ines", "Juri", "Kemal", "Lena"}
	last        = []string{"Adeyemi", "Berg", "Costa", "Dubois", "Eriksen", "Fontana", "Garcia", "Horvat", "Ito", "Jansen"}
)

// Key returns the key of the i-th application: a thousand applications share a directory.
func Key(i int64) string { return fmt.Sprintf("applications/%04d/%07d.json", i/perDirectory, i) }

// Make returns the i-th application. The result is deterministic.
func Make(i int64) Application {
	r := rand.New(rand.NewPCG(seed, uint64(i)))
	between := func(low, high float64) float64 { return cents(low + (high-low)*r.Float64()) }
	income := cents(math.Exp(7.9+0.4*r.NormFloat64()) + 600)
	a := Application{
		ID: fmt.Sprintf("L-%07d", i),
		Applicant: Applicant{
			Name: pick(r, first) + " " + pick(r, last), Born: 1948 + r.IntN(58),
			Region: pick(r, regions), Employment: pick(r, employments),
		},
		Household: Household{
			Income: income, Rent: cents(income * between(0.18, 0.3)), Living: cents(income * between(0.32, 0.56)),
			Savings: cents(income * between(0.5, 6)),
		},
		Loan: Loan{
			Purpose: pick(r, purposes), Months: 12 * (1 + r.IntN(7)), Rate: between(3, 9), Variable: r.IntN(3) == 0,
		},
	}
	a.Loan.Amount = cents(income * between(0.04, 0.26) * float64(a.Loan.Months))
	for range r.IntN(3) {
		a.Debts = append(a.Debts, Debt{Kind: pick(r, kinds), Monthly: cents(income * between(0.01, 0.06)), Months: 3 + r.IntN(48)})
	}
	a.Statements = make([]float64, statements)
	for m := range a.Statements {
		a.Statements[m] = cents(a.Household.Savings * between(0.6, 1.1))
	}
	return a
}

// Encode returns the i-th application as JSON of about 1 KiB. One in a thousand is truncated, to
// have malformed input.
func Encode(i int64) ([]byte, error) {
	data, err := json.Marshal(Make(i))
	if err != nil {
		return nil, fmt.Errorf("encode application %d: %w", i, err)
	}
	if rand.New(rand.NewPCG(seed+1, uint64(i))).IntN(oneCorruptIn) == 0 {
		data = data[:len(data)/2]
	}
	return data, nil
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }
