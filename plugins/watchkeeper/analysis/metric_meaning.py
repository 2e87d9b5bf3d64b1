"""What each bias metric says, in a sentence for people who do not work with them every day.

"The facet" is the group looked at, "the others" are all rows outside it. Formulas: Clarify's, as in `bias_metrics`.
"""

MEANINGS = {
    "CI": "How uneven the groups are in size. Near 1 the facet is hardly there, near −1 there is hardly anyone else.",
    "DPL": "Share of positive labels, others minus facet. Above 0, the facet has fewer positive labels.",
    "KL": "How far the others' labels diverge from the facet's, in nats. 0 when both have equal shares.",
    "JS": "How far both groups' labels lie from their common average, in nats: 0 when equal, at most 0.69.",
    "LP": "Straight-line distance between both groups' shares of labels. 0 when equal.",
    "TVD": "Half the sum of the differences between both groups' shares of labels. 0 when equal, at most 1.",
    "KS": "The largest difference between both groups in the share of any one label. 0 when equal, at most 1.",
    "CDDL": "Whether the facet is more present among negative labels than among positive ones, averaged over the "
    "groups of the group variable. Above 0, it is.",
    "DPPL": "Share of positive predictions, others minus facet. Above 0, the facet is predicted positive less often.",
    "DI": "Share of positive predictions, facet divided by others. 1 when equal, below 1 the facet gets fewer.",
    "DCA": "Positive labels for each positive prediction, others minus facet. Below 0, the facet is accepted less "
    "often than its labels would allow, compared with the others.",
    "DCR": "Negative labels for each negative prediction, facet minus others. Below 0, the facet is rejected more "
    "often than its labels would allow, compared with the others.",
    "RD": "Share of positives that are found, others minus facet. Above 0, more positives of the facet are missed.",
    "SD": "Share of negatives that are found, facet minus others. Below 0, the facet gets more false alarms.",
    "DAR": "Share of positive predictions that are right, others minus facet. Above 0, they are right less often for "
    "the facet.",
    "DRR": "Share of negative predictions that are right, facet minus others. Below 0, the facet is rejected wrongly "
    "more often.",
    "AD": "Share of predictions that are right, others minus facet. Above 0, the model is right less often "
    "for the facet.",
    "CDDPL": "Whether the facet is more present among negative predictions than among positive ones, averaged over the "
    "groups of the group variable. Above 0, it is.",
    "TE": "Missed positives for each false alarm, facet minus others. Above 0, errors go against the facet more often.",
    "FT": "Rows of the facet predicted better than their nearest neighbours among the others, minus those predicted "
    "worse, by rows of the facet. Below 0, more fare worse.",
    "GE": "How unevenly right and wrong predictions benefit all rows. 0 when every row gets what its label says.",
}


def meaning_of(metric: str) -> str:
    """Return what ``metric`` says; a metric that Clarify does not know has no sentence."""
    return MEANINGS.get(metric, "")
