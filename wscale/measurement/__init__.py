"""Pure functions of time, potential and weight: EPSPs, the weight for a target, losses."""
