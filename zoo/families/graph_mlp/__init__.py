"""FF-G2M: MLPs distilled from graph neural networks (Wu et al., AAAI 2023)."""

from __future__ import annotations

from zoo.families.graph_mlp import data, forms, model, problem, setting, teacher
from zoo.families.graph_mlp.judge import JUDGE
from zoo.families.graph_mlp.losses import DistillConfig
from zoo.spec import ModelSpec

TASK = "node-classification"
ALSO = {"inductive": {"setting": "inductive"}}


def _teacher(config: type, doc: str) -> ModelSpec:
    return ModelSpec(
        name=config.__name__.removesuffix("Config").lower(),
        doc=doc,
        task=TASK,
        config=config,
        data_config=setting.DataConfig,
        distill_config=DistillConfig,
        data=setting.read,
        build=teacher.build_teacher,
        objective=problem.teacher_objective,
        outputs=problem.teacher_outputs,
        answers=problem.teacher_outputs,
        evaluate=problem.evaluate_teacher,
        metric="accuracy",
        exports=forms.TEACHER_FORMS,
        also=ALSO,
    )


MODELS = [
    ModelSpec(
        name="mlp",
        doc="MLP over a node's own features, distilled from a GNN (FF-G2M, Wu et al. 2023).",
        task=TASK,
        config=model.MLPConfig,
        data_config=setting.DataConfig,
        distill_config=DistillConfig,
        data=setting.read,
        build=model.MLP,
        objective=problem.student_objective,
        outputs=problem.student_outputs,
        answers=problem.student_outputs,
        evaluate=problem.evaluate_student,
        metric="accuracy",
        exports=forms.STUDENT_FORMS,
        judge=JUDGE,
        also=ALSO,
    ),
    _teacher(teacher.GCNConfig, "Graph convolutional network (Kipf & Welling 2017)."),
    _teacher(teacher.SAGEConfig, "GraphSAGE, gcn aggregator (Hamilton et al. 2017)."),
    _teacher(teacher.GATConfig, "Graph attention network (Velickovic et al. 2018)."),
]

DATASETS = (*data.GRAPHS, data.TOY, data.POWER_LAW)


def describe(dataset: str) -> dict[str, object]:
    """What is in a graph; the graph is fetched where needed."""
    return data.describe(data.load_graph(dataset))
