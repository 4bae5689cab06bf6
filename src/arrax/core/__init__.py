"""What a program is: avals, arrays, primitives, traces and jaxprs."""
