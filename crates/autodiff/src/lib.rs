//! Reverse-mode gradients, graph to graph.
