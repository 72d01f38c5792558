TITLE kapcb: A-type potassium current with a reversal from concentrations

COMMENT
The A-type current of kapin, with the same gates n (activation) and l (inactivation), driven by a
reversal of its own.

Source: Klee, Ficker & Heinemann; modified by Brannon & Poirazi for Hoffman et al. (1997); variant
of 2010.
Units: mV, ms, S/cm2, mA/cm2, mM.

Kept on purpose:
- the reversal comes from ki and ko with 25 mV at any temperature; as these are read, NEURON sets
  the ek of the section by Nernst when it initialises;
- the temperature factor acts on taun alone, and not on its floor of 0.1 ms;
- taul is 12 ms at any voltage and temperature;
- rounded constants in the thermal factor kt (F/RT in 1/mV).
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX kapcb
    USEION k READ ki, ko WRITE ik
    RANGE gkabar, ik, ninf, taun, linf, taul
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
    (mM) = (milli/liter)
}

PARAMETER {
    gkabar = 0 (S/cm2)  : maximal conductance
}

ASSIGNED {
    v (mV)
    celsius (degC)
    ki (mM)
    ko (mM)
    ik (mA/cm2)
    ninf (1)
    taun (ms)
    linf (1)
    taul (ms)
    qt (1)
    kt (1/mV)
}

STATE { n l }

INITIAL {
    qt = 5^((celsius - 24(degC))/10(degC))
    kt = thermal(celsius)
    rates(v)
    n = ninf
    l = linf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = gkabar*n*l*(v - 25(mV)*log(ko/ki))
}

DERIVATIVE states {
    rates(v)
    n' = (ninf - n)/taun
    l' = (linf - l)/taul
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL z, a
    z = (-1.5 - 1/(1 + exp((v + 40)/5)))*kt*(v - 11)
    a = exp(z)
    ninf = 1/(1 + a)
    taun = exp(0.55*z)/(qt*0.05*(1 + a))
    if (taun < 0.1) { taun = 0.1 }

    linf = 1/(1 + exp(3*kt*(v + 56)))
    taul = 12
}

FUNCTION thermal(t (degC)) (1/mV) {
    thermal = 1e-3*9.648e4/(8.315*(273.16 + t))
}
UNITSON
